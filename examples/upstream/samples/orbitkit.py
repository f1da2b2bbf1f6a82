import json, urllib.request

request = urllib.request.Request(
    "https://api.orbitkit.io/api/apps",
    headers={"Authorization": "Bearer ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG"},
)
with urllib.request.urlopen(request) as res:
    apps = json.load(res)
