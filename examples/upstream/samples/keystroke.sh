export KEYSTROKE_API_KEY="key_live_..."
export KEYSTROKE_PLATFORM_URL="https://<your-platform-url>"

curl "$KEYSTROKE_PLATFORM_URL/api/projects" \
  -H "Authorization: Bearer $KEYSTROKE_API_KEY"
