"""People and scripts that connect by SSH."""
