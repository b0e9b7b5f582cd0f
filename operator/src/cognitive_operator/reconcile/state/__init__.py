"""State of the engine: records of objects, work queues and clocks."""
