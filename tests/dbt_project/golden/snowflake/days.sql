-- Metrics that are summed by day, week or month are joined to these days.
select cast(date_day as date) as date_day
from (






    with rawdata as (





    with p as (
        select 0 as generated_number union all select 1
    ), unioned as (

    select


    p0.generated_number * power(2, 0)
     +

    p1.generated_number * power(2, 1)
     +

    p2.generated_number * power(2, 2)
     +

    p3.generated_number * power(2, 3)
     +

    p4.generated_number * power(2, 4)
     +

    p5.generated_number * power(2, 5)
     +

    p6.generated_number * power(2, 6)
     +

    p7.generated_number * power(2, 7)
     +

    p8.generated_number * power(2, 8)


    + 1
    as generated_number

    from


    p as p0
     cross join

    p as p1
     cross join

    p as p2
     cross join

    p as p3
     cross join

    p as p4
     cross join

    p as p5
     cross join

    p as p6
     cross join

    p as p7
     cross join

    p as p8



    )

    select *
    from unioned
    where generated_number <= 365
    order by generated_number



    ),

    all_periods as (

        select (


    dateadd(
        day,
        row_number() over (order by 1) - 1,
        cast('2013-01-01' as date)
        )


        ) as date_day
        from rawdata

    ),

    filtered as (

        select *
        from all_periods
        where date_day <= cast('2014-01-01' as date)

    )

    select * from filtered


) as days
