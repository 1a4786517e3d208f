{{ config(
    materialized='incremental',
    unique_key='flight_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    post_hook='{{ delete_gone_flights() }}',
    tags=['predictions'],
) }}

{{ score_stale_flights('delay@champion') }}
