"""A web service of a pipeline, asked by several clients at once."""

import asyncio
from typing import Any, Callable, Iterable, List, Tuple

from anyio import create_task_group, to_thread
from fastapi import Body, FastAPI
from httpx import ASGITransport, AsyncClient
from spacy.language import Language

from served import NAME

Entities = List[Tuple[int, int, str, float]]


def service(nlp: Language) -> FastAPI:
    """Make a service as many people write it: the pipeline runs in the threads of the server's pool."""
    app = FastAPI()

    @app.post("/entities")
    def entities(text: str = Body(embed=True)) -> Entities:
        return answer(nlp, text)

    return app


def answer(nlp: Language, text: str) -> Entities:
    """RETURNS (Entities): Start, end, label and probability of each entity, exact to the last bit."""
    doc = nlp(text)
    group = doc.spans[NAME]
    scored = zip(group, group.attrs["scores"].tolist(), strict=True)
    return [(span.start_char, span.end_char, span.label_, score) for span, score in scored]


def ask(nlp: Language, texts: Iterable[str], threads: int, hear: Callable[[int, str, Any], None]) -> None:
    """Ask a service for the entities of texts.

    nlp (Language): The pipeline.
    texts (Iterable[str]): The texts.
    threads (int): How many there are in the server's pool, and how many clients ask it at once.
    hear (Callable[[int, str, Any], None]): Takes the number of each text, the text and the answer.
    """
    left = iter(enumerate(texts))

    async def client() -> None:
        transport = ASGITransport(app=app)
        async with AsyncClient(transport=transport, base_url="http://service") as http:
            for i, text in left:
                response = await http.post("/entities", json={"text": text})
                hear(i, text, response.raise_for_status().json())

    async def clients() -> None:
        to_thread.current_default_thread_limiter().total_tokens = threads
        async with create_task_group() as group:
            for _ in range(threads):
                group.start_soon(client)

    app = service(nlp)
    asyncio.run(clients())
