"""What runs inside Snowflake, and the statements that create it."""
