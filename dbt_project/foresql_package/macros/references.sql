{# The name and the alias of 'delay@champion'. #}
{% macro reference_parts(reference) -%}
    {% if not modules.re.fullmatch('[A-Za-z][A-Za-z0-9_]*@[A-Za-z][A-Za-z0-9_]*', reference) %}
        {% do exceptions.raise_compiler_error(
            "'" ~ reference ~ "' names no alias of a model. Write 'delay@champion'."
        ) %}
    {% endif %}
    {{ return(reference.split('@')) }}
{%- endmacro %}

{# The champion's functions are named after the model alone: predict_delay. #}
{% macro function_suffix(reference) -%}
    {% set name, alias = foresql.reference_parts(reference) %}
    {{ return(name if alias == 'champion' else name ~ '_' ~ alias) }}
{%- endmacro %}

{# What macros/foresql_models.sql of the project knows, by reference. #}
{% macro known_models() -%}
    {% if foresql_models is defined %}
        {{ return(foresql_models()) }}
    {% endif %}
    {{ return({}) }}
{%- endmacro %}

{# What that file says of one reference; none where it does not know it. #}
{% macro known_model(reference) -%}
    {% do foresql.reference_parts(reference) %}
    {{ return(foresql.known_models().get(reference)) }}
{%- endmacro %}

{# The command that writes that file again, for these and all that it knows. #}
{% macro compile_command(references) -%}
    {% set named = foresql.known_models().keys() | list %}
    {% set adapters = [target.type] %}
    {% for known in foresql.known_models().values() %}
        {% do adapters.extend(known.get('targets', ['snowflake'])) %}
    {% endfor %}
    {% do named.extend(references | reject('in', named)) %}
    {% set adapters = adapters | unique | sort %}
    {% set options = '' if adapters == ['snowflake'] else ' --to ' ~ adapters | join(' --to ') %}
    {{ return(
        'foresql dbt-macros ' ~ named | join(' ') ~ options ~ ' --into macros/foresql_models.sql'
    ) }}
{%- endmacro %}

{% macro refuse_unknown(reference) -%}
    {% do exceptions.raise_compiler_error(
        'macros/foresql_models.sql does not know ' ~ reference ~ '. It knows: '
        ~ (foresql.known_models() | join(', ') or 'no model') ~ '.\n  What to do: '
        ~ foresql.compile_command([reference])
    ) %}
{%- endmacro %}

{% macro refuse_answer(kind, reference, reason) -%}
    {% do exceptions.raise_compiler_error(
        reference ~ ' has no ' ~ kind ~ ': ' ~ reason ~ '.\n  What to do: leave ' ~ kind
        ~ ' out, or publish a model that has it.'
    ) %}
{%- endmacro %}

{# Which version really answers, for whoever reads the compiled SQL. #}
{% macro version_comment(reference, version) -%}
    {{ return('-- foresql: ' ~ reference ~ ' is version ' ~ version ~ '.') }}
{%- endmacro %}

{# The version that answers where the database is asked for it; none where it is not. #}
{% macro named_version(reference) -%}
    {% if not foresql.runs_queries() %}
        {{ return(none) }}
    {% endif %}
    {# Asked once a node, however often its query calls: dbt makes `model` anew for each. #}
    {% set asked = model.setdefault('foresql_versions', {}) if model is mapping else {} %}
    {% if reference not in asked %}
        {% do asked.update({reference: adapter.dispatch('named_version', 'foresql')(reference)}) %}
    {% endif %}
    {{ return(asked[reference]) }}
{%- endmacro %}
