"""Models in a Snowflake account: what is set up once, and what each version brings."""
