{# Which columns each model takes in Snowflake. None is named yet; DuckDB does not ask.

   foresql dbt-macros delay@champion delay@challenger --into macros/foresql_models.sql #}
{% macro foresql_models() -%}
    {{ return({}) }}
{%- endmacro %}
