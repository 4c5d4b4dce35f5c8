"""The annotation loop, measured: from new models in seconds to what more data would give."""
