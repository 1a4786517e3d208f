select
    features.flight_id,
    count(predictions.flight_id) as predictions
from {{ ref('flight_features') }} as features
left join {{ ref('delay_predictions') }} as predictions
    on features.flight_id = predictions.flight_id
group by all
having count(predictions.flight_id) != 1
