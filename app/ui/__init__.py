"""Parts of the chat page. They talk to the API through `app.client` and to nothing else."""
