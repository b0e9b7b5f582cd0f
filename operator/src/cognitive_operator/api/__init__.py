"""Shapes and names of the custom resources and of the wire's messages; imports no other layer of the operator."""
