-- wrk walks through a file of ready-made requests, parted by NUL, over and over. Making them beforehand keeps the
-- generator's own work out of what is measured.

local requests, at = {}, 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    for request in file:read("*a"):gmatch("%Z+") do
        requests[#requests + 1] = request
    end
    file:close()
end

function request()
    at = at + 1
    if at > #requests then at = 1 end
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), latency.max, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
    -- Each time there was, in microseconds, and how often.
    io.write("TIMES")
    for place = 1, #latency do
        io.write(string.format(" %d:%d", latency(place)))
    end
    io.write("\n")
end
