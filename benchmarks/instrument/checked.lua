-- wrk's side: one request again and again, every answer checked; the figures go out as one line of JSON.
-- Arguments: a file with the body, one with the headers (a name and a text to a line), one with what is expected.

local threads = {}
wrong = 0
first = ""

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local headers = {}
  for name, text in read(arguments[2]):gmatch("([^\n:]+): ([^\n]*)\n") do
    headers[name] = text
  end
  whole = wrk.format("POST", nil, headers, read(arguments[1]))
  expected = {}
  for part in read(arguments[3]):gmatch("([^\n]+)\n") do
    table.insert(expected, part)
  end
end

function request()
  return whole
end

function response(status, headers, body)
  local right = status == 200
  for _, part in ipairs(expected) do
    right = right and string.find(body, part, 1, true) ~= nil
  end
  if not right then
    wrong = wrong + 1
    if first == "" then first = status .. " " .. body:sub(1, 200):gsub('[^%w%p ]', " "):gsub('[\\"]', "'") end
  end
end

function done(summary, latency, requests)
  local wrongs, seen = 0, ""
  for _, thread in ipairs(threads) do
    wrongs = wrongs + thread:get("wrong")
    if seen == "" then seen = thread:get("first") end
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\n{"answers":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"p999":%.3f,"wrong":%d,"lost":%d,"first":"%s"}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50.0), latency:percentile(99.0), latency:percentile(99.9), wrongs, lost, seen
  ))
end
