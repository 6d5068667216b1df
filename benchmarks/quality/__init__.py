"""The tests of ``stream_quality.py``, one idea a file; everything is counted in one pass, chunk by chunk."""
