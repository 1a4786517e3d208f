{# Dates and times, where the engines differ and dbt has no macro of its own. #}
{% macro date_of_parts(year, month, day) -%}
    {{ return(adapter.dispatch('date_of_parts')(year, month, day)) }}
{%- endmacro %}

{% macro default__date_of_parts(year, month, day) -%}
    {{ return('make_date(' ~ year ~ ', ' ~ month ~ ', ' ~ day ~ ')') }}
{%- endmacro %}

{% macro snowflake__date_of_parts(year, month, day) -%}
    {{ return('date_from_parts(' ~ year ~ ', ' ~ month ~ ', ' ~ day ~ ')') }}
{%- endmacro %}


{# 1 is Monday, whatever the session's first day of the week is. #}
{% macro iso_day_of_week(date) -%}
    {{ return(adapter.dispatch('iso_day_of_week')(date)) }}
{%- endmacro %}

{% macro default__iso_day_of_week(date) -%}
    {{ return('extract(isodow from ' ~ date ~ ')') }}
{%- endmacro %}

{% macro snowflake__iso_day_of_week(date) -%}
    {{ return('dayofweekiso(' ~ date ~ ')') }}
{%- endmacro %}


{# 2013-01-01T10 #}
{% macro hour_text(time) -%}
    {{ return(adapter.dispatch('hour_text')(time)) }}
{%- endmacro %}

{% macro default__hour_text(time) -%}
    {{ return('to_char(' ~ time ~ ", 'YYYY-MM-DD\"T\"HH24')") }}
{%- endmacro %}

{% macro duckdb__hour_text(time) -%}
    {{ return('strftime(' ~ time ~ ", '%Y-%m-%dT%H')") }}
{%- endmacro %}
