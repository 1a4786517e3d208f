select
    tailnum,
    year as built_in,
    manufacturer,
    engines,
    seats
from {{ source('raw', 'planes') }}
