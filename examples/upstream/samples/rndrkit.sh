curl -X GET "https://rndrkit.io/api/your-endpoint" \
-H "X-Api-Key: YOUR_API_KEY"
