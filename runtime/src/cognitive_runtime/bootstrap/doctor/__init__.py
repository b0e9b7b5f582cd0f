"""The doctor: looks at everything that an executor needs, and says in words what is wrong and what to do."""
