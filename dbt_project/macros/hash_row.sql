{# One text of 32 hexadecimal digits for all columns of a row. JSON keeps NULL, an empty text
   and the text 'NULL' apart, and prints doubles so that they read back the same. #}
{% macro hash_row(alias) -%}
    md5(to_json({{ alias }})::varchar)
{%- endmacro %}
