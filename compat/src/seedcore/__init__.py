"""SeedCore's import paths. Its loggers are the logger of the runtime."""

import logging

logging.root.manager.loggerDict["seedcore.agents.cognitive_core"] = logging.getLogger("cognitive_runtime")
