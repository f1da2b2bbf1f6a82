const res = await fetch("https://api.orbitkit.io/api/apps", {
headers: {
Authorization: "Bearer ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG",
},
});
const apps = await res.json();
