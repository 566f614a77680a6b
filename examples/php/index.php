<?php

function gateway(string $path, array $body): array
{
    $header = ['Authorization: Bearer change-me', 'Content-Type: application/json'];
    $http = ['method' => 'POST', 'header' => $header, 'content' => json_encode($body)];
    $answer = file_get_contents("http://localhost:3001$path", false, stream_context_create(['http' => $http]));
    return json_decode($answer ?: throw new Exception('The gateway has refused it'), true);
}

session_start(['cookie_samesite' => 'Lax', 'cookie_httponly' => true]);
$user = $_SESSION['user'] ?? null;
$route = $_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

if ($route === 'GET /') {
    readfile('index.html');
} elseif ($route === 'GET /login') {
    $_SESSION['user'] = $_GET['name'];
    gateway('/grant', ['user' => $_GET['name'], 'channel' => 'room:1']);
    header('Location: /');
} elseif ($user === null) {
    http_response_code(401);
} elseif ($route === 'POST /token') {
    echo gateway('/tokens', ['user' => $user, 'ttl' => '1h'])['token'];
} elseif ($route === 'POST /say') {
    gateway('/publish', ['channel' => 'room:1', 'data' => ['user' => $user, 'text' => $_POST['text']]]);
    http_response_code(204);
}
