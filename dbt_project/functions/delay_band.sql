select
    case
        when probability >= 0.5 then 'expect it late'
        when probability >= 0.25 then 'watch it'
        when probability >= 0.0 then 'on time'
    end
