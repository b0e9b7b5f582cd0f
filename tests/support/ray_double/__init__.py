"""A double of Ray's Jobs REST API whose jobs are real executors, forked from one process that has imported DSPy.

Ray itself is the only part that is not real. ``api`` answers the REST calls, ``jobs`` keeps the jobs, and
``ray_module`` takes the place of the package ``ray`` in the processes of the jobs. The runtime's own command line runs
there unchanged, over the real NATS and the real core. ``tests/component/cognitive_operator/test_ray_jobs.py`` compares
the API with that of a real head; ``pytest --ray=real`` runs the tests that use the double on a real head.
"""
