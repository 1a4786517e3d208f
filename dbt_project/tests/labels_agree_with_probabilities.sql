-- The label is late where late is the likelier class.
select
    flight_id,
    late_probability,
    predicted_late
from {{ ref('delay_predictions') }}
where (predicted_late = 1) != (late_probability > 0.5)
