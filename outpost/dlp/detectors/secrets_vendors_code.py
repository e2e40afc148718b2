"""Keys of code hosting, build, packages, tests and observability. Formats as their documentation prints them."""

# ruff: noqa: E501 - one row a line

import base64
import string
import zlib

from outpost.dlp.detectors.secret_format import no_words, prefixed

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def base62_crc32(text: str) -> str:
    """CRC-32 of ``text`` in six signs of base 62 (GitHub blog, 5 April 2021, on token formats; npm took it over)."""
    value, encoded = zlib.crc32(text.encode()), ""
    while value:
        value, digit = divmod(value, 62)
        encoded = _BASE62[digit] + encoded
    return encoded.rjust(6, "0")


def valid_pypi(token: str) -> bool:
    """A macaroon of version 2 that names its place (RFC-less; github.com/rescrv/libmacaroons, format v2)."""
    body = token.partition("-")[2]
    try:
        return base64.urlsafe_b64decode(body[: len(body) // 4 * 4])[:3] in {b"\x02\x01\x08", b"\x02\x01\x0d"}
    except ValueError:
        return False


def valid_sentry(token: str) -> bool:
    """Between the underscores stands a JSON object that says when it was issued."""
    try:
        return base64.b64decode(token.split("_")[1].rstrip("=") + "==").startswith(b'{"iat"')
    except ValueError:
        return False


def valid_grafana(token: str) -> bool:
    """A JSON object with the key and its name."""
    try:
        decoded = base64.b64decode(token[: len(token) // 4 * 4])
        return decoded.startswith(b'{"k":') and b'"n":' in decoded
    except ValueError:
        return False


DETECTORS = prefixed(
    (
        ("adafruit_io_key", r"aio_[0-9A-Za-z]{28}"),
        ("adobe_client_secret", r"p8e-[0-9A-Za-z_-]{32}"),
        ("aikido_secret", r"AIK_SECRET_[0-9A-Za-z]{64}"),
        ("aikido_ci_token", r"AIK_CI_[0-9A-Za-z]{20,44}"),
        ("artifactory_key", r"AKCp[0-9A-Za-z]{68,70}"),
        ("artifactory_reference_token", r"cmVmd[0-9A-Za-z]{59}"),
        ("atlassian_token", r"ATATT3xFfGF0[0-9A-Za-z_-]{170,}=[0-9A-F]{8}"),
        ("atlassian_service_token", r"ATSTT3xFfGN0[0-9A-Za-z_-]{170,}=[0-9A-F]{8}"),
        ("atlassian_cloud_admin_key", r"ATCTT3xFfGN0[0-9A-Za-z_-]{150,}=[0-9A-F]{8}"),
        ("bitbucket_app_password", r"ATBB[0-9A-Za-z]{32}"),
        ("bitbucket_repository_token", r"ATCTT3xFfGB0[0-9A-Za-z_-]{150,}=[0-9A-F]{8}"),
        ("buildkite_agent_token", r"bka[ajr]_[0-9A-Za-z_-]{73,75}"),
        ("buildkite_cluster_token", r"bkct_[0-9A-Za-z_-]{73}"),
        ("buildkite_token", r"bkua_(?:[0-9a-z]{53}|[0-9a-z]{40})"),
        ("circleci_project_token", r"CCIPRJ_[0-9A-Za-z]{22}_[0-9a-f]{40}"),
        ("circleci_token", r"CCIPAT_[0-9A-Za-z]{22,24}_[0-9a-z]{40}"),
        ("clojars_token", r"CLOJARS_[0-9a-z]{60}"),
        ("cloudsmith_key", r"csa_[0-9a-f]{30}[0-9A-Za-z]{6}"),
        ("configcat_key", r"configcat-sdk-1/[0-9A-Za-z_-]{22}/[0-9A-Za-z_-]{22}"),
        ("contentful_token", r"CFPAT-[0-9A-Za-z_-]{43}"),
        ("crates_io_token", r"cio[0-9A-Za-z]{32}"),
        ("deno_token", r"dd[po]_[0-9A-Za-z]{36}"),
        ("dependency_track_key", r"odt_[0-9A-Za-z]{32,40}"),
        ("dependency_track_new_key", r"odt_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}"),
        ("devcycle_key", r"dvc_(?:server|mobile)_[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}_[0-9a-f]{7}"),
        ("devcycle_sdk_key", r"dvc_(?:server|client|mobile)_[0-9A-Za-z]{8,32}", no_words),
        ("dockerhub_org_token", r"dckr_oat_[0-9A-Za-z_-]{32}"),
        ("dockerhub_token", r"dckr_pat_[0-9A-Za-z_-]{27}"),
        ("dynatrace_token", r"dt0[a-z][0-9]{2}\.[0-9A-Z]{24}\.[0-9A-Z]{64}"),
        ("endor_labs_key", r"endr\+[0-9A-Za-z-]{16}"),
        ("figma_token", r"figd_[0-9A-Za-z_-]{38,42}"),
        ("github_refresh_token", r"ghr_[0-9A-Za-z]{76}"),
        ("gitlab_agent_token", r"glagent-[0-9A-Za-z_-]{50}"),
        ("gitlab_deploy_token", r"gldt-[0-9A-Za-z_-]{20}"),
        ("gitlab_feature_token", r"glffct-[0-9A-Za-z_-]{20}"),
        ("gitlab_feed_token", r"glft-[0-9A-Za-z_-]{20}"),
        ("gitlab_job_token", r"glcbt-[0-9A-Za-z]{1,5}_[0-9A-Za-z_-]{20}"),
        ("gitlab_mail_token", r"glimt-[0-9A-Za-z_-]{25}"),
        ("gitlab_oauth_secret", r"gloas-[0-9A-Za-z_-]{64}"),
        ("gitlab_pat", r"glpat-[0-9A-Za-z_-]{20}"),
        ("gitlab_routable_pat", r"glpat-[0-9A-Za-z_-]{27,}\.[0-9a-z]{2}\.?[0-9a-z]{7,9}"),
        ("gitlab_runner_registration_token", r"GR1348941[0-9A-Za-z_-]{20}"),
        ("gitlab_routable_runner_token", r"glrt-t[0-9]_[0-9A-Za-z_-]{27,}\.[0-9a-z]{2}\.?[0-9a-z]{7,9}"),
        ("gitlab_runner_token", r"glrt-(?:t[0-9]_)?[0-9A-Za-z_-]{20}"),
        ("gitlab_scim_token", r"glsoat-[0-9A-Za-z_-]{20}"),
        ("gitlab_session", r"_gitlab_session=[0-9a-z]{32}"),
        ("gitlab_trigger_token", r"glptt-[0-9a-f]{40}"),
        ("gitlab_workspace_token", r"glwt-[0-9A-Za-z_-]{20}"),
        ("grafana_cloud_token", r"glc_[0-9A-Za-z+/]{32,}={0,2}"),
        ("grafana_key", r"eyJrIjoi[0-9A-Za-z+/]{40,}={0,2}", valid_grafana),
        ("grafana_service_token", r"glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}"),
        ("honeycomb_ingest_key", r"hc[abcdefx]ik_[0-9a-z]{58}"),
        ("honeycomb_key", r"hcxmk_[0-9a-z]{58}"),
        ("ionic_token", r"ion_[0-9A-Za-z]{42}"),
        ("jetbrains_hub_token", r"perm:[0-9A-Za-z=+/]{4,64}\.[0-9A-Za-z=+/]{2,64}\.[0-9A-Za-z]{30}"),
        ("mergify_key", r"mergify_application_key_[0-9A-Za-z_-]{40,}"),
        ("new_relic_admin_key", r"NRAA-[0-9a-f]{27}"),
        ("new_relic_browser_key", r"NRJS-[0-9a-f]{19}"),
        ("new_relic_insert_key", r"NRII-[0-9A-Za-z_-]{32}"),
        ("new_relic_license_key", r"(?:eu01xx)?[0-9a-f]{26,36}(?:FFFF)?NRAL"),
        ("new_relic_query_key", r"NRIQ-[0-9A-Za-z_-]{32}"),
        ("new_relic_rest_key", r"NRRA-[0-9a-f]{42}"),
        ("new_relic_service_key", r"NRAK-[0-9A-Z]{27}"),
        ("nightfall_key", r"NF-[0-9A-Za-z]{32}"),
        ("npm_token", r"npm_[0-9A-Za-z]{36}"),
        ("nuget_key", r"oy2[0-9a-z]{43}"),
        ("octopus_key", r"API-[0-9A-Z]{25,32}"),
        ("openvsx_token", r"ovsxp_" + _UUID),
        ("pixie_api_key", r"px-api-" + _UUID),
        ("pixie_deploy_key", r"px-dep-" + _UUID),
        ("posthog_personal_key", r"phx_[0-9A-Za-z_-]{41,49}"),
        ("postman_key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
        ("postman_collection_key", r"PMAT-[0-9A-Z]{26}"),
        ("prefect_token", r"pn[ub]_[0-9A-Za-z]{36}"),
        ("pypi_token", r"pypi-AgE[0-9A-Za-z_-]{50,}", valid_pypi),
        ("readme_key", r"rdme_[0-9a-z]{70}"),
        ("rootly_key", r"rootly_[0-9a-f]{64}"),
        ("rubygems_key", r"rubygems_[0-9a-f]{48}"),
        ("sentry_org_token", r"sntrys_eyJpYXQiO[0-9A-Za-z+/=]{40,}_[0-9A-Za-z+/]{43}", valid_sentry),
        ("sentry_user_token", r"sntryu_[0-9a-f]{64}"),
        ("settlemint_token", r"sm_[aps]at_[0-9A-Za-z]{16}", no_words),
        ("shortcut_token", r"sct_[rw]{1,2}_[0-9A-Za-z]{10,}_[0-9A-Za-z]{24,64}"),
        ("snyk_token", r"snyk_(?:uat|sat)\.[0-9a-f]{8}\.[0-9A-Za-z_-]{60,}"),
        ("sonarqube_token", r"sq[uap]_[0-9a-f]{40}"),
        ("sourcegraph_token", r"sgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}"),
        ("sourcegraph_license_token", r"sl[ka]_[0-9a-f]{64}"),
        ("sourcegraph_dotcom_token", r"sgd_[0-9a-f]{64}"),
        ("stackhawk_key", r"hawk\.[0-9A-Za-z_-]{20}\.[0-9A-Za-z_-]{20}"),
        ("tableau_token", r"[0-9A-Za-z+/]{22}==:[0-9A-Za-z]{32}"),
        ("teamcity_token", r"eyJ0eXAiOiAiVENWMiJ9\.[0-9A-Za-z_-]{36}\.[0-9A-Za-z_-]{48}"),
        ("thingsboard_url_token", r"/api/v1/[0-9A-Za-z]{20}/(?:telemetry|attributes|rpc|claim)"),
        ("tines_webhook", r"https://[0-9a-z-]{1,60}\.tines\.com/webhook/[0-9a-f]{32}/[0-9a-f]{32}"),
        ("val_town_token", r"vtwn_[0-9A-Za-z_-]{20,80}", no_words),
        ("vercel_token", r"vc[pira]_[0-9A-Za-z_-]{56}"),
        ("wakatime_key", r"waka_" + _UUID),
    )
)  # fmt: skip
