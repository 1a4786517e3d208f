{# Each row's `problem` is empty: what of a version cannot be read is told by it. #}
{% test no_problem(model, column_name) %}
select {{ column_name }} as problem
from {{ model }}
where {{ column_name }} is not null
{% endtest %}
