// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef, useState } from "preact/hooks";
import { giveToken } from "../actions";
import { useSelect } from "../store";

/** Instead of the page, when the collector wants a token. */
export function TokenForm() {
  const isRefused = useSelect((state) => state.tokenWanted === "refused");
  const [token, setToken] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const onSubmit = (event: Event) => {
    event.preventDefault();
    void giveToken(token.trim());
  };
  return (
    <main class="token">
      <form onSubmit={onSubmit}>
        <h1>Sonde</h1>
        <label for="token">This collector asks for its token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="current-password"
          required
          value={token}
          aria-invalid={isRefused}
          aria-describedby="token-note"
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <p id="token-note" role={isRefused ? "alert" : undefined} class={isRefused ? "fault" : "dim"}>
          {isRefused
            ? "The collector refused this token."
            : "It is what `sonde serve` was given as SONDE_TOKEN. This tab keeps it until it is closed."}
        </p>
        <button type="submit" class="primary">
          Go on
        </button>
      </form>
    </main>
  );
}
