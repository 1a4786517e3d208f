{# A flight that left the schedule leaves the predictions too; merging alone would keep it. #}
{% macro delete_gone_flights() -%}
    delete from {{ this }}
    where flight_id not in (select flight_id from {{ ref('flight_features') }})
{%- endmacro %}
