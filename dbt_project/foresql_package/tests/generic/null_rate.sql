{# At most the share `max` of the rows has no value in the column; 0 allows none. #}
{% test null_rate(model, column_name, max=0) %}
{% set value = foresql.column(column_name) if execute else column_name %}
select
    counted.missing,
    counted.total,
    {{ foresql.literal(column_name ~ ' is missing in ') }} || cast(counted.missing as varchar)
        || ' of ' || cast(counted.total as varchar)
        || {{ foresql.literal(' rows, and at most the share ' ~ max ~ ' may be') }} as problem
from (
    select count(*) as total, count(*) - count({{ value }}) as missing
    from {{ model }}
) as counted
where counted.missing > {{ max }} * counted.total
{% endtest %}
