"""The route table: every path, who may ask, and what answers."""

from __future__ import annotations

from . import cards, health, oip, openapi, page, rows_form, scrape
from .access import Anyone, AnyPrincipal, OnModel, OnServer, ServerVerb, Verb
from .routing import Route

_READ, _PREDICT = OnModel(Verb.READ), OnModel(Verb.PREDICT)

ROUTES = (
    Route("GET", "/", Anyone(), page.show),
    Route("GET", "/v2", AnyPrincipal(), oip.server_metadata),
    Route("GET", "/v2/health/live", Anyone(), health.live),
    Route("GET", "/v2/health/ready", Anyone(), health.ready),
    Route("GET", "/v2/models/{model}", _READ, oip.model_metadata),
    Route("GET", "/v2/models/{model}/versions/{version}", _READ, oip.model_metadata),
    Route("GET", "/v2/models/{model}/ready", _READ, oip.model_ready),
    Route("GET", "/v2/models/{model}/versions/{version}/ready", _READ, oip.model_ready),
    Route("POST", "/v2/models/{model}/infer", _PREDICT, oip.infer),
    Route("POST", "/v2/models/{model}/versions/{version}/infer", _PREDICT, oip.infer),
    Route("POST", "/predict/{model}", _PREDICT, rows_form.predict),
    Route("POST", "/predict/{model}/versions/{version}", _PREDICT, rows_form.predict),
    Route("GET", "/models", AnyPrincipal(), cards.list_models),
    Route("GET", "/models/{model}", _READ, cards.show_model),
    Route("GET", "/models/{model}/versions/{version}", _READ, cards.show_model),
    Route("GET", "/openapi.json", AnyPrincipal(), openapi.document),
    Route("GET", "/metrics", OnServer(ServerVerb.METRICS), scrape.scrape),
)
