/* Binds a call: which model, and where each of its columns comes from.
 *
 * An alias is resolved here, so a query keeps the version that it was bound with, on all threads.
 */

#include "binding.h"

#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "duckdb_files.h"
#include "registry_file.h"
#include "sources.h"

#define DEFAULT_REGISTRY "foresql_registry"
#define REGISTRY_VARIABLE "FORESQL_REGISTRY"
#define EXACT_IN_DOUBLE ((int64_t)1 << 53)

CallInfo *new_call_info(Cache *cache, const Function *function, int takes_values)
{
    CallInfo *info = malloc(sizeof *info);
    if (info != NULL) {
        hold_cache(cache);
        info->cache = cache;
        info->function = function;
        info->takes_values = takes_values;
    }
    return info;
}

void free_call_info(void *info)
{
    release_cache(((CallInfo *)info)->cache);
    free(info);
}

static char *copy_text(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

/* Take a value's text, for free(); NULL where it is NULL. Frees the value. */
static char *take_text(duckdb_value *value)
{
    char *copy = NULL;
    if (*value == NULL)
        return NULL;
    if (!duckdb.is_null_value(*value)) {
        char *text = duckdb.get_varchar(*value);
        copy = text ? copy_text(text) : NULL;
        duckdb.free(text);
    }
    duckdb.destroy_value(value);
    return copy;
}

/* The first argument, which must be known now. */
static char *fold_reference(duckdb_bind_info info, duckdb_client_context context, Message *message)
{
    duckdb_value value = NULL;
    char *reference = NULL;
    duckdb_expression argument = duckdb.scalar_function_bind_get_argument(info, 0);
    if (argument != NULL && duckdb.expression_is_foldable(argument)) {
        duckdb_error_data error = duckdb.expression_fold(context, argument, &value);
        if (error == NULL || !duckdb.error_data_has_error(error))
            reference = take_text(&value);
        if (error != NULL)
            duckdb.destroy_error_data(&error);
    }
    if (argument != NULL)
        duckdb.destroy_expression(&argument);
    if (reference == NULL)
        fail(message, "The first argument names the model, for example 'delay@champion'. It is one "
             "text for the whole query: no column, and not NULL.");
    return reference;
}

/* The registry's folder for references that name none, for free(). */
static char *registry_folder(duckdb_client_context context)
{
    duckdb_value value = duckdb.client_context_get_config_option(context, REGISTRY_OPTION, NULL);
    char *set = take_text(&value);
    if (set != NULL && *set)
        return set;
    free(set);
    const char *variable = getenv(REGISTRY_VARIABLE);
    return copy_text(variable && *variable ? variable : DEFAULT_REGISTRY);
}

static Model *find_model(Cache *cache, duckdb_client_context context, const char *reference,
                         Message *message)
{
    BundleFile bundle;
    Model *model = NULL;
    BundlePlace *place = malloc(sizeof *place);
    char *registry = registry_folder(context);
    duckdb_file_system file_system = duckdb.client_context_get_file_system(context);
    Files files = duckdb_files(file_system);
    if (place == NULL || registry == NULL) {
        fail(message, "There is no memory to find the model.");
    } else if (resolve_reference(&files, registry, reference, place, message) == 0 &&
               open_bundle(&files, place->path, place->digest[0] ? place->digest : NULL, &bundle,
                           message) == 0) {
        model = get_model(cache, &files, place->path, &bundle, message);
        close_bundle(&files, &bundle);
    }
    duckdb.destroy_file_system(&file_system);
    free(registry);
    free(place);
    return model;
}

static int make_labels(Binding *binding, Message *message)
{
    const Program *program = binding->model->program;
    int32_t classes = foresql_program_classes(program), type = foresql_program_class_type(program);
    binding->labels = malloc(((size_t)classes + 1) * sizeof *binding->labels);
    if (binding->labels == NULL)
        return fail(message, "There is no memory for the labels.");
    for (int32_t i = 0; i < classes; i++) {
        if (type == CLASS_IS_DOUBLE) {
            binding->labels[i] = foresql_program_class_double(program, i);
            continue;
        }
        int64_t label = foresql_program_class_integer(program, i);
        if (label > EXACT_IN_DOUBLE || label < -EXACT_IN_DOUBLE)
            return fail(message, "Model '%s' has labels that no DOUBLE holds. Use predict_label, "
                        "which gives text.", binding->reference);
        binding->labels[i] = (double)label;
    }
    return 0;
}

/* Check that the model gives what the function is asked for. */
static int check_answers(Binding *binding, Message *message)
{
    const Program *program = binding->model->program;
    const char *model = binding->reference;
    int32_t numbers = foresql_program_answers(program, ANSWER_PREDICTION);
    int32_t probabilities = foresql_program_answers(program, ANSWER_PROBABILITIES);
    int32_t classes = foresql_program_classes(program), type = foresql_program_class_type(program);
    switch (binding->gives) {
    case GIVES_NUMBER:
        if (classes && type == CLASS_IS_TEXT)
            return fail(message, "Model '%s' predicts text. Use predict_label.", model);
        if (numbers != 1)
            return fail(message, "Model '%s' predicts %d numbers for a row. Use predict_all, which "
                        "gives a list.", model, numbers);
        return classes ? make_labels(binding, message) : 0;
    case GIVES_LABEL:
        if (classes && type != CLASS_IS_DOUBLE)
            return 0;
        return fail(message, "Model '%s' predicts numbers. Use predict%s.", model,
                    numbers > 1 ? "_all, which gives a list" : "");
    case GIVES_NUMBERS:
        return classes ? fail(message, "Model '%s' predicts labels. Use predict or predict_label.",
                              model)
                       : 0;
    case GIVES_PROBABILITY:
        if (probabilities > 0 && probabilities != 2)
            return fail(message, "Model '%s' has %d classes. Use predict_proba_all, which gives a "
                        "list with a probability for each.", model, probabilities);
        break;
    case GIVES_PROBABILITIES:
        break;
    }
    return probabilities ? 0
                         : fail(message, "Model '%s' gives no class probabilities.", model);
}

static void free_binding(Binding *binding)
{
    if (binding->model != NULL)
        return_model(binding->model);
    free_sources(binding->sources, binding->columns);
    free(binding->reference);
    free(binding->labels);
    free(binding);
}

static void *copy_binding(void *data)
{
    Binding *binding = data;
    change_count(binding->model->cache, &binding->copies, 1);
    return binding;
}

static void release_binding(void *data)
{
    Binding *binding = data;
    if (change_count(binding->model->cache, &binding->copies, -1) == 0)
        free_binding(binding);
}

static int bind_model(duckdb_bind_info info, duckdb_client_context context, const CallInfo *call,
                      Binding *binding, Message *message)
{
    binding->gives = call->function->gives;
    binding->copies = 1;
    binding->reference = fold_reference(info, context, message);
    if (binding->reference == NULL)
        return 1;
    binding->model = find_model(call->cache, context, binding->reference, message);
    if (binding->model == NULL || check_answers(binding, message))
        return 1;
    binding->columns = foresql_program_columns(binding->model->program);
    return bind_sources(info, binding, call->takes_values, message);
}

void bind_call(duckdb_bind_info info)
{
    Message message = {""};
    duckdb_client_context context = NULL;
    const CallInfo *call = duckdb.scalar_function_bind_get_extra_info(info);
    Binding *binding = calloc(1, sizeof *binding);
    duckdb.scalar_function_get_client_context(info, &context);
    if (binding == NULL) {
        duckdb.scalar_function_bind_set_error(info, "There is no memory to bind a model.");
    } else if (bind_model(info, context, call, binding, &message)) {
        duckdb.scalar_function_bind_set_error(info, message.text);
        free_binding(binding);
    } else {
        duckdb.scalar_function_set_bind_data(info, binding, release_binding);
        duckdb.scalar_function_set_bind_data_copy(info, copy_binding);
    }
    duckdb.destroy_client_context(&context);
}
