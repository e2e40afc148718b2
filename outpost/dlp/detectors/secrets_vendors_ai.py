"""Keys of vendors of models, data labelling and vector search. Formats as their documentation prints them."""

from outpost.dlp.detectors.secret_format import prefixed

DETECTORS = prefixed(
    (
        ("anthropic_oauth_token", r"sk-ant-o(?:at|rt)[0-9]{2}-[0-9A-Za-z_-]{60,}"),
        ("apify_token", r"apify_api_[0-9A-Za-z]{34,38}"),
        ("brave_search_key", r"BSA[0-9A-Za-z_-]{28}"),
        ("cerebras_key", r"csk-[0-9a-z]{48}"),
        ("cursor_key", r"key_[0-9a-f]{64}"),
        ("databento_key", r"db-[0-9A-Za-z]{29}"),
        ("devin_key", r"apk_(?:user_)?[0-9A-Za-z+/]{80,180}={0,2}"),
        ("devin_token", r"cog_[a-z2-7]{52}"),
        ("elevenlabs_key", r"sk_[0-9a-f]{48}"),
        ("firecrawl_key", r"fc-[0-9a-f]{32}"),
        ("fireworks_key", r"fw_[0-9A-Za-z]{22,24}"),
        ("google_ai_studio_key", r"AQ\.Ab8RN6[0-9A-Za-z_-]{44}"),
        ("groq_key", r"gsk_[0-9A-Za-z]{52}"),
        ("huggingface_token", r"hf_[A-Za-z]{34}"),
        ("huggingface_org_token", r"api_org_[A-Za-z]{34}"),
        ("jina_key", r"jina_[0-9a-f]{32}[0-9A-Za-z_-]{28}"),
        ("langfuse_secret_key", r"sk-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        ("langsmith_key", r"lsv2_(?:pt|sk)_[0-9A-Fa-f]{32}_[0-9A-Fa-f]{10}"),
        ("llamacloud_key", r"llx-[0-9A-Za-z]{48}"),
        ("minimax_key", r"sk-api-[0-9A-Za-z_-]{119}"),
        ("nvidia_key", r"nvapi-[0-9A-Za-z_-]{60,70}"),
        ("openrouter_key", r"sk-or-v1-[0-9a-f]{64}"),
        ("perplexity_key", r"pplx-[0-9A-Za-z]{48}"),
        ("pinecone_key", r"pcsk_[0-9A-Za-z]{5,6}_[0-9A-Za-z]{63}"),
        ("replicate_token", r"r8_[0-9A-Za-z]{37}"),
        ("runpod_key", r"rpa_[0-9A-Z]{40}[0-9A-Za-z]{6}"),
        ("sambanova_key", r"snova-[0-9a-f]{32}"),
        ("stability_or_deepseek_key", r"sk-[0-9a-f]{32}"),
        ("tavily_key", r"tvly-(?:dev-|prod-)?[0-9A-Za-z]{32}"),
        ("together_key", r"tgp_v1_[0-9A-Za-z_-]{43}"),
        ("vercel_ai_gateway_key", r"vck_[0-9A-Za-z_-]{56}"),
        ("voyage_key", r"pa-[0-9A-Za-z_-]{43}"),
        ("wandb_key", r"wandb_v1_[0-9A-Za-z_]{77}"),
        ("xai_key", r"xai-[0-9A-Za-z_-]{70,120}"),
    )
)
