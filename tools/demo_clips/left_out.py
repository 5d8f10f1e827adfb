"""Template files that were looked at and are not used."""

LOOKS_LIKE_A_FILM = frozenset(
    {
        "api_bria_video_green_screen-1.webp",
        "api_bria_video_green_screen-2.webp",
        "api_bytedance_seedance1_5_image_to_video-1.webp",
        "api_ltx2_5_t2v-1.webp",
        "api_runway_gen4_turbo_image_to_video-1.webp",
        "api_runway_gen4_turo_image_to_video-1.webp",
        "api_topaz_image_enhance-1.webp",  # a photograph of 1917
        "api_topaz_image_enhance-2.webp",
        "api_topaz_video_enhance-1.webp",
        "api_topaz_video_enhance-2.webp",
        "api_vidu_video_extension-1.webp",
        "api_wan_r2v-1.webp",
        "image_qwen_image_2_1_turbo_t2i-1.webp",
        "template_seedance2_0_viral_videos_character_swap-1.webp",
        "template_seedance2_0_viral_videos_character_swap-2.webp",
        "templates_rob_realistic_2k_images_quick_variations.app-1.webp",
        "video_ltx2_5_t2v-1.webp",
        "video_ltx2_t2v_distilled-1.webp",
        "video_wan2_2_14B_s2v-1.webp",
    }
)
"""Their person might be taken from a film, or for somebody known. No clip is made of them."""

NO_PORTRAIT = frozenset(
    {
        "api_google_nano_banana2_image_edit_continuation-1.webp",
        "api_elevenlabs_v4_text_to_speech-1.webp",
        "api_hailuo_minimax_i2v-1.webp",
        "api_ideogram_v4_5_t2i-1.webp",
        "api_kling_dual_characters_effects-1.webp",
        "api_openai_image_1_inpaint-2.webp",
        "api_sync_so_talking_image-1.webp",
        "api_veed_clean_audio_video-1.webp",
        "api_veed_fabric_1_0-1.webp",
        "api_veed_lipsync_2_0-1.webp",
        "api_wavespeed_image_upscale-2.webp",
        "gsl_creator_2-2.webp",
        "image_anima_lllite_any_control_to_image-1.webp",
        "image_boogu_image_0_1_turbo_t2i-1.webp",
        "image_qwen_image_instantx_controlnet-2.webp",
        "template_sferro21_product_ad.app-1.webp",
        "templates-subject_holding_product.app-1.webp",
        "templates-subject_product_swap.app-1.webp",
        "templates_mjm_looped_restyler-1.webp",
        "video_ltx2_i2v_lora-1.webp",
        "video_wan2.1_alpha_t2v_14B-1.webp",
        "video_wan2_2_14B_flf2v-2.webp",
    }
)
"""Collages, two faces side by side, drawings over the face, bars, hands at the mouth, depth maps, blur,
half a face, a cat and a dog.
"""
