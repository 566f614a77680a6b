-- Idempotency: a call that is made again under the same key is answered as the first one was.

-- Answers what `run` answers (a list of texts, or an error), and remembers it for `ms` under the key; an empty key remembers nothing. If the
-- key is known, answers what is remembered, or CONFLICT if the fingerprint of the call is another.
local function once(key, fingerprint, ms, run)
  if key == '' then
    return run()
  end
  local remembered = PREFIX .. 'idempotency:' .. key
  local known = redis.pcall('GET', remembered)
  if type(known) == 'table' and not is_mistyped(remembered, 'string') then
    error(known)
  end
  -- Somebody else may have written to that key: anything but an answer of this function is taken for nothing.
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
