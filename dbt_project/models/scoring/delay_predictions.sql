{{ foresql.scored(
    'delay@champion', ref('flight_features'), key='flight_id',
    predict_proba='late_probability', predict='predicted_late',
) }}
