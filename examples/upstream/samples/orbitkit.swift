import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

struct App: Decodable { let id: String, name: String }

let url = URL(string: "https://api.orbitkit.io/api/apps")!
var request = URLRequest(url: url)
request.setValue("Bearer ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG",
forHTTPHeaderField: "Authorization")
let (data, _) = try await URLSession.shared.data(for: request)
let apps = try JSONDecoder().decode([App].self, from: data)
