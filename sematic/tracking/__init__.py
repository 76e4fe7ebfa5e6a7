"""The record in SQL: SQLite on a laptop, PostgreSQL for a team."""
