"""Keys of clouds, data bases, networks and identity. Formats as their documentation or published source prints them."""

import base64

from outpost.dlp.detectors.secret_format import no_words, prefixed

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def valid_onepassword(token: str) -> bool:
    """Behind ``ops_`` stands a JSON object in base64url."""
    try:
        return base64.urlsafe_b64decode(token[4:].rstrip("=") + "==").startswith(b'{"')
    except ValueError:
        return False


DETECTORS = prefixed(
    (
        ("age_secret_key", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}"),
        ("age_plugin_key", r"AGE-PLUGIN-[0-9A-Z]{2,16}-1[02-9AC-HJ-NP-Z]{58,}"),
        ("aiven_token", r"AVNS_[0-9A-Za-z_-]{16,24}"),
        ("alibaba_access_key", r"LTAI[0-9A-Za-z]{17,24}"),
        ("alibaba_sts_key", r"STS\.[0-9A-Za-z]{20,64}", no_words),
        ("astra_token", r"AstraCS:[0-9A-Za-z]{24}:[0-9a-f]{64}"),
        (
            "authress_key",
            r"(?:sc|ext|scauth|authress)_[0-9a-z]{5,30}\.[0-9a-z]{4,6}\.acc[_-][0-9a-z-]{10,32}\.[0-9A-Za-z+/_=-]{30,120}",
        ),
        ("aws_bedrock_key", r"ABSK[0-9A-Za-z+/]{109,}"),
        ("aws_bedrock_session_key", r"bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[0-9A-Za-z+/=]{16,}"),
        ("aws_appsync_key", r"da2-[0-9a-z]{26}"),
        ("aws_mws_token", r"amzn\.mws\." + _UUID),
        ("aws_sso_secret", r"amzn1\.oa2-cs\.v1\.[0-9a-f]{64}"),
        # Microsoft's annotated keys: the signature stands at a fixed place (github.com/microsoft/security-utilities).
        ("azure_devops_pat", r"[0-9A-Za-z]{76}AZDO[0-9A-Za-z]{4}"),
        ("azure_annotated_key", r"[0-9A-Za-z]{52}JQQJ9[9DH][0-9A-Za-z][A-L][0-9A-Za-z]{16}[A-Za-z][0-9A-Za-z]{7}"),
        ("azure_function_key", r"[0-9A-Za-z_-]{44}AzFu[0-9A-Za-z_-]{5}[AQgw]=="),
        ("azure_search_key", r"[0-9A-Za-z]{42}AzSe[A-D][0-9A-Za-z]{5}"),
        ("azure_container_registry_key", r"[0-9A-Za-z+/]{42}\+ACR[A-D][0-9A-Za-z+/]{5,6}"),
        ("azure_cosmos_key", r"[0-9A-Za-z+/]{76}ACDb[0-9A-Za-z+/]{5}[AQgw]=="),
        ("azure_storage_key", r"[0-9A-Za-z+/]{76}\+ASt[0-9A-Za-z+/]{5}[AQgw]=="),
        ("azure_service_bus_key", r"[0-9A-Za-z+/]{33}\+ASb[A-D][0-9A-Za-z+/]{5}="),
        ("azure_event_hub_key", r"[0-9A-Za-z+/]{33}\+AEh[A-D][0-9A-Za-z+/]{5}="),
        ("azure_relay_key", r"[0-9A-Za-z+/]{33}\+ARm[A-D][0-9A-Za-z+/]{5}="),
        ("azure_iot_key", r"[0-9A-Za-z+/]{33}AIoT[A-D][0-9A-Za-z+/]{5}="),
        ("azure_ad_client_secret", r"[0-9A-Za-z_~.-]{3}[78]Q~[0-9A-Za-z_~.-]{31,34}"),
        ("clickhouse_cloud_key", r"4b1d[0-9A-Za-z]{38}"),
        ("cloudflare_origin_ca_key", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
        ("cockroach_cloud_key", r"CCDB1_[0-9A-Za-z]{22}_[0-9A-Za-z]{40}"),
        ("databricks_token", r"dapi[0-9a-f]{32}(?:-[0-9])?"),
        ("databricks_oauth_secret", r"dose[0-9a-f]{32}"),
        ("defined_networking_token", r"dnkey-[0-9A-Z]{26}-[0-9A-Z]{52}"),
        ("digitalocean_oauth_token", r"doo_v1_[0-9a-f]{64}"),
        ("digitalocean_pat", r"dop_v1_[0-9a-f]{64}"),
        ("digitalocean_refresh_token", r"dor_v1_[0-9a-f]{64}"),
        ("digitalocean_spaces_key", r"DO00[0-9A-Z]{16}"),
        ("docker_swarm_join_token", r"SWMTKN-1-[0-9a-z]{50,60}-[0-9a-z]{24,30}"),
        ("docker_swarm_unlock_key", r"SWMKEY-1-[0-9A-Za-z+/]{40,50}"),
        ("doppler_audit_token", r"dp\.audit\.[0-9A-Za-z]{40,44}"),
        ("doppler_cli_token", r"dp\.ct\.[0-9A-Za-z]{40,44}"),
        ("doppler_personal_token", r"dp\.pt\.[0-9A-Za-z]{40,44}"),
        ("doppler_scim_token", r"dp\.scim\.[0-9A-Za-z]{40,44}"),
        ("doppler_service_token", r"dp\.st\.(?:[0-9a-z_-]{2,35}\.)?[0-9A-Za-z]{40,44}"),
        ("doppler_service_account_token", r"dp\.sa\.[0-9A-Za-z]{40,44}"),
        ("elastic_cloud_key", r"essu_[0-9A-Za-z_-]{60,}"),
        ("exoscale_key", r"EXO[0-9a-f]{24}"),
        ("firebase_server_key", r"AAAA[0-9A-Za-z_-]{7}:APA91b[0-9A-Za-z_-]{134}"),
        ("fly_token", r"fm(?:1r|1a|2)_[0-9A-Za-z+/=_-]{60,}"),
        ("fly_access_token", r"fo1_[0-9A-Za-z_-]{43}"),
        ("google_oauth_client_secret", r"GOCSPX-[0-9A-Za-z_-]{28}"),
        ("google_oauth_access_token", r"ya29\.[0-9A-Za-z_-]{20,}"),
        ("google_oauth_refresh_token", r"1//0[0-9A-Za-z_-]{40,}"),
        ("google_hmac_key", r"GOOG1?E[0-9A-Za-z]{54,60}"),
        ("harness_token", r"(?:pat|sat)\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z]{24}\.[0-9A-Za-z]{20}"),
        ("heroku_key", r"HRKU-AA[0-9A-Za-z_-]{58}"),
        ("infracost_key", r"ico-[0-9A-Za-z]{32}"),
        ("kubernetes_openshift_token", r"sha256~[0-9A-Za-z_-]{43}"),
        ("launchdarkly_token", r"api-" + _UUID),
        ("launchdarkly_sdk_key", r"sdk-" + _UUID),
        ("maxmind_license_key", r"[0-9A-Za-z]{6}_[0-9A-Za-z]{29}_mmk"),
        ("mongodb_atlas_secret", r"mdb_sa_sk_[0-9A-Za-z_-]{40}"),
        ("neon_key", r"napi_[0-9A-Za-z]{64}"),
        ("netlify_token", r"nf[pcoub]_[0-9A-Za-z]{36}"),
        (
            "onepassword_secret_key",
            r"A3-[0-9A-Z]{6}-(?:[0-9A-Z]{11}|[0-9A-Z]{6}-[0-9A-Z]{5})-[0-9A-Z]{5}-[0-9A-Z]{5}-[0-9A-Z]{5}",
        ),
        ("onepassword_service_token", r"ops_eyJ[0-9A-Za-z_-]{250,}", valid_onepassword),
        ("ory_token", r"ory_(?:at|rt|pat|apikey|wak|st)_[0-9A-Za-z._-]{32,}"),
        ("planetscale_oauth_token", r"pscale_oauth_[0-9A-Za-z=._-]{32,64}"),
        ("planetscale_password", r"pscale_pw_[0-9A-Za-z=._-]{32,64}"),
        ("planetscale_token", r"pscale_tkn_[0-9A-Za-z=._-]{32,64}"),
        ("pulumi_token", r"pul-[0-9a-f]{40}"),
        ("render_key", r"rnd_[0-9A-Za-z]{28,32}"),
        ("scaleway_access_key", r"SCW[0-9A-Z]{17}"),
        ("scalingo_token", r"tk-us-[0-9A-Za-z_-]{48}"),
        ("stytch_secret", r"secret-(?:live|test)-[0-9A-Za-z_-]{33,40}=?"),
        ("supabase_secret_key", r"sb_secret_[0-9A-Za-z_-]{31}"),
        ("supabase_token", r"sb[pu]_[0-9a-z]{40}"),
        ("tailscale_key", r"tskey-(?:api|auth|client|scim|webhook|reg)-[0-9A-Za-z]{10,}CNTRL-[0-9A-Za-z]{20,}"),
        (
            "tailscale_old_key",
            r"tskey-(?:(?:api|auth|client|scim|webhook|reg)-[0-9A-Za-z_-]{20,60}|[0-9A-Za-z]{12,})",
            no_words,
        ),
        ("tencent_secret_id", r"AKID[0-9A-Za-z]{32}"),
        ("terraform_cloud_token", r"[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_=-]{60,70}"),
        ("unkey_root_key", r"unkey_[0-9A-Za-z]{20,32}", no_words),
        ("upcloud_token", r"ucat_[0-9A-Za-z]{24,32}"),
        ("vault_batch_token", r"hvb\.[0-9A-Za-z_-]{24,}"),
        ("vault_recovery_token", r"hvr\.[0-9A-Za-z_-]{24,}"),
        ("vault_service_token", r"hvs\.[0-9A-Za-z_-]{24,}"),
        ("volcengine_key", r"AKLT[0-9A-Za-z_-]{43,52}"),
        ("yandex_cloud_key", r"AQVN[0-9A-Za-z_-]{35,38}"),
        ("yandex_iam_token", r"t1\.[0-9A-Za-z_-]{40,}\.[0-9A-Za-z_-]{86}"),
        ("yandex_access_key", r"YCAJE[0-9A-Za-z_-]{20}"),
        ("yandex_oauth_token", r"y[0-3]_[0-9A-Za-z_-]{55,58}"),
        ("zuplo_key", r"zpka_[0-9a-z]{32}_[0-9a-f]{8}"),
    )
)
