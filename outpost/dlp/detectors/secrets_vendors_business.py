"""Keys of payments, commerce, messaging, mail, work and maps. Formats as their documentation prints them."""

# ruff: noqa: E501 - one row a line

import base64

from outpost.dlp.detectors.secret_format import no_words, prefixed

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def valid_discord(token: str) -> bool:
    """The first part is the bot's number, 17 to 20 digits in base64 (Discord developer reference, snowflakes)."""
    first = token.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).isdigit()
    except ValueError:
        return False


DETECTORS = prefixed(
    (
        ("adyen_key", r"AQE[0-9A-Za-z]{5,20}[0-9A-Za-z+/]{40,120}={0,2}-[0-9A-Za-z+/]{43}=-[0-9A-Za-z]{16,20}"),
        ("airtable_oauth_token", r"oaa[0-9A-Za-z]{14}\.v1\.[0-9A-Za-z_-]{20,}\.[0-9a-f]{64}"),
        ("airtable_token", r"pat[0-9A-Za-z]{14}\.[0-9a-f]{64}"),
        ("asana_token", r"[12]/[0-9]{12,17}/[0-9]{12,17}:[0-9a-f]{32}", None, r"/[0-9]{12}"),
        ("asana_old_token", r"[012]/[0-9]{12,17}:[0-9a-f]{32}", None, r"/[0-9]{12}"),
        ("asaas_key", r"aact_(?:prod|hmlg|YTU5YTE0M2M2N2I4MTliNzk0YTI5N2U5MzdjNWZmNDQ6OjAw)[0-9A-Za-z_:=-]{20,}"),
        ("azure_logic_app_signature", r"sig=[0-9A-Za-z_-]{43}"),
        ("azure_sas_signature", r"sig=[0-9A-Za-z%]{43,70}%3[Dd]"),
        ("canva_client_secret", r"cnvca[0-9A-Za-z_-]{51}"),
        ("clickup_token", r"pk_[0-9]{7,9}_[0-9A-Z]{32}"),
        ("close_key", r"api_[0-9A-Za-z]{22}\.[0-9A-Za-z]{22}"),
        ("coinbase_key", r"organizations/[0-9a-f-]{36}/apiKeys/[0-9a-f-]{36}"),
        ("courier_key", r"pk_(?:prod|test)_[0-9A-Z]{28}"),
        ("discord_bot_token", r"[MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,38}", valid_discord, r"\.[0-9A-Za-z_-]{6}\."),
        ("discord_webhook", r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[0-9A-Za-z_-]{60,70}"),
        ("dropbox_token", r"sl\.[0-9A-Za-z_-]{130,}"),
        ("duffel_token", r"duffel_(?:test|live)_[0-9A-Za-z_=-]{43}"),
        ("easypost_key", r"EZ[AT]K[0-9A-Za-z]{54}"),
        ("ebay_client_secret", r"(?:PRD|SBX)-[0-9a-f]{12}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"),
        ("facebook_token", r"EAA[0-9A-Za-z]{60,}"),
        ("facebook_app_token", r"[0-9]{15,16}\|[0-9A-Za-z_-]{27,40}", None, r"[0-9]\|[0-9A-Za-z_-]{8}"),
        ("facebook_old_token", r"EAACEdEose0cBA[0-9A-Za-z]{20,}"),
        ("flutterwave_key", r"FLWSECK(?:_TEST)?-(?:[0-9a-h]{32}-X|[0-9a-h]{12})"),
        ("frameio_token", r"fio-u-[0-9A-Za-z_=-]{64}"),
        ("gc_notify_key", r"gcntfy-[0-9a-z_]{1,40}-" + _UUID + "-" + _UUID),
        ("gocardless_token", r"(?:live|sandbox)_[0-9A-Za-z_-]{40}"),
        ("hubspot_token", r"pat-(?:na|eu|ap)[0-9]-" + _UUID),
        ("instagram_token", r"IGQV[0-9A-Za-z_-]{100,}"),
        ("intra42_secret", r"s-s4t2(?:ud|af)-[0-9a-f]{64}"),
        ("klaviyo_key", r"pk_[0-9a-f]{34}"),
        ("linear_key", r"lin_api_[0-9A-Za-z]{40}"),
        ("linear_oauth_token", r"lin_oauth_[0-9a-f]{64}"),
        ("lichess_token", r"lip_[0-9A-Za-z_]{16,60}", no_words),
        ("lob_key", r"(?:live|test)_[0-9a-f]{35}"),
        ("redirect_pizza_token", r"rpa_[0-9A-Za-z]{30}", no_words),
        ("resend_key", r"re_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}"),
        ("mailchimp_key", r"[0-9a-f]{32}-us[0-9]{1,2}"),
        ("mailersend_token", r"mlsn\.[0-9A-Za-z]{30,100}"),
        ("mailgun_key", r"key-[0-9a-f]{32}"),
        ("mandrill_key", r"md-[0-9A-Za-z_-]{22}"),
        ("mapbox_secret_token", r"sk\.eyJ[0-9A-Za-z_-]{40,}\.[0-9A-Za-z_-]{22}"),
        ("mapbox_temporary_token", r"tk\.eyJ[0-9A-Za-z_-]{40,}\.[0-9A-Za-z_-]{22}"),
        ("mercury_token", r"mercury_production_[a-z]{3,6}_[0-9A-Za-z]{40,50}_yrucrem"),
        ("midtrans_key", r"Mid-server-[0-9A-Za-z_-]{20,28}"),
        ("mollie_key", r"(?:live|test)_[0-9A-Za-z]{30}"),
        ("notion_token", r"ntn_[0-9]{10,12}[0-9A-Za-z]{34,36}"),
        ("notion_old_token", r"secret_[0-9A-Za-z]{43}"),
        ("onesignal_key", r"os_v2_(?:app|org)_[a-z2-7]{103}"),
        ("onfido_token", r"api_live(?:_us|_ca)?\.[0-9A-Za-z_.-]{20,80}", no_words),
        ("paddle_key", r"pdl_(?:live|sdbx)_apikey_[0-9a-z]{26}_[0-9A-Za-z]{22}_[0-9A-Za-z]{3}"),
        ("paystack_key", r"sk_(?:live|test)_[0-9a-f]{40}"),
        ("persona_key", r"persona_production_[0-9A-Za-z_-]{20,80}", no_words),
        ("pinterest_token", r"pina_[0-9A-Za-z_-]{20,200}", no_words),
        ("plaid_token", r"access-(?:sandbox|development|production)-" + _UUID),
        ("polar_token", r"polar_(?:at|oat|pat)_[0-9A-Za-z_-]{20,100}", no_words),
        ("rainforest_key", r"apikey_[0-9a-f]{64}"),
        ("ramp_secret", r"ramp_sec_[0-9A-Za-z]{48}"),
        ("razorpay_key", r"rzp_live_[0-9A-Za-z]{14}"),
        ("samsara_token", r"samsara_api_[0-9A-Za-z]{26,32}"),
        ("sendgrid_key", r"SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"),
        ("sendinblue_key", r"x(?:key|smtp)sib-[0-9A-Fa-f]{64}-[0-9A-Za-z]{16}"),
        ("shippo_token", r"shippo_(?:live|test)_[0-9A-Fa-f]{40}"),
        ("shopify_app_secret", r"shpss_[0-9A-Fa-f]{32}"),
        ("shopify_custom_token", r"shpca_[0-9A-Fa-f]{32}"),
        ("shopify_partner_token", r"(?:shpua|atkn|prtapi)_[0-9A-Fa-f]{32}"),
        ("shopify_private_token", r"shppa_[0-9A-Fa-f]{32}"),
        ("shopify_token", r"shpat_[0-9A-Fa-f]{32}"),
        ("slack_cookie", r"xoxd-[0-9A-Za-z%+/_-]{100,}={0,2}"),
        ("slack_config_token", r"xoxe(?:\.xox[bp])?-1-[0-9A-Za-z]{140,}"),
        ("square_oauth_secret", r"sq0csp-[0-9A-Za-z_-]{43}"),
        ("square_token", r"sq0atp-[0-9A-Za-z_-]{22,60}"),
        ("square_access_token", r"EAAA[0-9A-Za-z_-]{60}"),
        ("segment_token", r"sgp_[0-9A-Za-z]{64}"),
        ("teamwork_token", r"tkn\.v1_[0-9A-Za-z]{60,90}={0,2}"),
        ("telegram_bot_token", r"[0-9]{8,10}:AA[0-9A-Za-z_-]{32,33}"),
        ("teams_webhook", r"https://[0-9A-Za-z-]{1,60}\.webhook\.office\.com/webhookb2/[0-9a-f@-]{73}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36}"),
        ("teams_old_webhook", r"https://outlook\.office(?:365)?\.com/webhook/[0-9a-f@-]{73}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36}"),
        ("trello_token", r"ATTA[0-9A-Za-z]{72}"),
        ("twitch_chat_token", r"oauth:[0-9a-z]{30}"),
        ("typeform_token", r"tfp_[0-9A-Za-z_.=-]{44,59}"),
        ("twilio_key", r"SK[0-9a-f]{32}", None, r"SK[0-9a-f]{6}"),
        ("voiceflow_key", r"VF\.(?:DM|WS)\.[0-9A-Za-z]{24}\.[0-9A-Za-z]{16}"),
        ("whatsapp_token", r"EAAG[0-9A-Za-z]{100,}"),
        ("workato_token", r"wrka(?:[a-z]{2})?-eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{64,}"),
        ("zapier_webhook", r"https://hooks\.zapier\.com/hooks/catch/[0-9]{4,10}/[0-9a-z]{5,16}"),
        ("zoho_token", r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}"),
    )
)  # fmt: skip
