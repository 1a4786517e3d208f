{{ config(enabled=var('score_challenger')) }}

{{ foresql.scored(
    'delay@challenger', ref('flight_features'), key='flight_id',
    predict_proba='late_probability', predict='predicted_late',
) }}
