{# `with answers as {{ materialized() }}(…)`: computed once, not again wherever it is read.
   Snowflake has no word for it, and decides by itself. #}
{% macro materialized() -%}
    {{ return(adapter.dispatch('materialized')()) }}
{%- endmacro %}

{% macro default__materialized() -%}
    {{ return('materialized ') }}
{%- endmacro %}

{% macro snowflake__materialized() -%}
    {{ return('') }}
{%- endmacro %}
