{# The model in this warehouse, asked now, gives the answers of its certificate: for the golden rows
   that the version keeps, the library's labels, and its numbers as near as the gate allows. #}
{% test parity_with_certificate(model, reference=none) %}
{% set reference = foresql.tested_argument(reference, 'reference', 'parity_with_certificate') %}
{% if execute %}
{{ foresql.parity_problems(reference) }}
{% endif %}
{% endtest %}
