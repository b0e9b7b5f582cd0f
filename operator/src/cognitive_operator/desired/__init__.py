"""Builds what should exist outside: requests and Ray submissions; pure."""
