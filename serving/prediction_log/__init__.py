"""The prediction log: what was answered, row by row, in Parquet files."""
