-- Does it, unless it was done under this key ('': none): then answers as it did, or CONFLICT where the fingerprint is another.
-- `ms`: how long that is remembered. `run` answers a list of texts, or an error.
local function once(key, fingerprint, ms, run)
  if key == '' then
    return run()
  end
  local remembered = PREFIX .. 'idempotency:' .. key
  local known = redis.pcall('GET', remembered)
  if type(known) == 'table' and not is_mistyped(remembered, 'string') then
    error(known)
  end
  -- What is no such answer is not remembered: somebody else has put it there.
  local is_ours, result = pcall(cjson.decode, known)
  if is_ours and type(result) == 'table' and result.fingerprint and type(result.answer) == 'table' then
    if result.fingerprint ~= fingerprint then
      return redis.error_reply('CONFLICT this key was used for another request')
    end
    return result.answer
  end
  require_permission('SET', remembered)
  local answer = run()
  if not answer.err then
    redis.call('SET', remembered, cjson.encode({ fingerprint = fingerprint, answer = answer }), 'PX', ms)
  end
  return answer
end
