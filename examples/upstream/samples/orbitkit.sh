curl -H "Authorization: Bearer ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG" \
https://api.orbitkit.io/api/apps
