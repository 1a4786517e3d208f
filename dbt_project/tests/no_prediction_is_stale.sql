select
    predictions.flight_id,
    predictions.model_version,
    {{ model_version('delay@champion') }} as answering_version
from {{ ref('delay_predictions') }} as predictions
inner join {{ ref('flight_features') }} as features
    on predictions.flight_id = features.flight_id
where predictions.model_version != {{ model_version('delay@champion') }}
    or predictions.features_hash != features.features_hash
