"""The chat service: OpenAI's API, a chat page for the browser, a chat for the terminal."""
