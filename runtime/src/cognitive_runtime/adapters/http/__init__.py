"""HTTP API of a cognitive core, by FastAPI. The only package that imports FastAPI, Starlette and uvicorn."""
